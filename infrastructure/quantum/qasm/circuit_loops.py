"""Loops that outcomes steer, as loops of the circuit."""

from collections.abc import Callable

from infrastructure.quantum.qasm.branching import Branching
from infrastructure.quantum.qasm.joining import Branch
from infrastructure.quantum.qasm.state import Variable
from infrastructure.quantum.qasm.types import ArrayOf, Data, Type, Unknown, rows
from infrastructure.quantum.qasm.values import bits_of
from infrastructure.quantum.qasm.wires import Bit, Tap, Wire, same

_PATIENCE = 3


class CircuitLoops(Branching):
    """Runs the body of a loop once, for all of its rounds.

    Whatever differs from one round to the next has to be in classical bits when a round begins.
    What that is, is found by rehearsing the body until nothing new changes.
    """

    def loop_in_circuit(self, condition: Wire, round_: Callable[[], Bit]) -> None:
        """Run a loop as long as a condition holds.

        Args:
            condition: whether the first round runs.
            round_: unrolls one round and returns whether another one follows.
        """
        again = self.settle(condition)

        def body() -> None:
            self.know(again.clbit, True)
            self.store(again.clbit, round_())

        carried: dict[Variable, Data] = {}
        attempts = 0
        while self._carry(self._rehearse(body), carried, widen=attempts >= _PATIENCE):
            attempts += 1
        branch = self.unroll_branch(lambda: self._full_round(body, carried))
        for index, after in branch.after.bits.items():
            if self._known[index] is not after:
                self.know(index, None)
        self.builder.loop(again, branch.block)
        self.know(again.clbit, False)

    def _rehearse(self, body: Callable[[], None]) -> Branch:
        with self.builder.rehearsal():
            return self.unroll_branch(body)

    def _carry(self, branch: Branch, carried: dict[Variable, Data], *, widen: bool) -> bool:
        """Put what the body changes into bits that outlive a round; return whether more was."""
        more = False
        for index, after in branch.after.bits.items():
            if not self.builder.is_scratch(index) and self._known[index] not in (None, after):
                self.know(index, None)
                more = True
        for variable, data in branch.after.data.items():
            before = self.data(variable)
            if _unchanged(variable.type, before, data):
                continue
            places = self._places_for(variable, variable.type, before, data, widen=widen)
            more |= variable not in carried or not _unchanged(variable.type, before, places)
            self.set_data(variable, places)
            carried[variable] = places
        return more

    def _places_for(
        self, owner: Variable, kind: Type, before: Data, after: Data, *, widen: bool
    ) -> Data:
        """Return data with bits of its own wherever a round may change it."""
        if isinstance(kind, ArrayOf):
            pairs = zip(rows(kind, before), rows(kind, after), strict=True)
            return [
                self._places_for(owner, kind.inner, one, two, widen=widen) for one, two in pairs
            ]
        if _unchanged(kind, before, after):
            return before
        if isinstance(before, Unknown) or isinstance(after, Unknown) or kind.bits is None:
            return Unknown()
        bits = zip(bits_of(kind, before), bits_of(kind, after), strict=True)
        return tuple([self._place_for(owner, one, two, widen=widen) for one, two in bits])

    def _place_for(self, owner: Variable, before: Bit, after: Bit, *, widen: bool) -> Bit:
        is_own = isinstance(before, Tap) and before.clbit in owner.owned
        if is_own or (same(before, after) and not widen):
            return before
        index = self.builder.scratch_clbit()
        owner.owned.append(index)
        self.builder.store(index, before)
        self.know(index, None)
        return self.bit(index)

    def _full_round(self, body: Callable[[], None], carried: dict[Variable, Data]) -> None:
        """Run the body, then move what it has changed to where the next round looks for it."""
        body()
        moves: list[tuple[int, Bit]] = []
        for variable, places in carried.items():
            self._collect_moves(variable.type, places, variable.data, moves)
        settled = [(index, self.settled(bit)) for index, bit in moves]
        for index, bit in settled:
            self.builder.store(index, bit)
            self.know(index, None)
        for variable, places in carried.items():
            self.set_data(variable, places)

    def _collect_moves(
        self, kind: Type, places: Data, data: Data, moves: list[tuple[int, Bit]]
    ) -> None:
        if isinstance(kind, ArrayOf):
            for place, element in zip(rows(kind, places), rows(kind, data), strict=True):
                self._collect_moves(kind.inner, place, element, moves)
        elif isinstance(places, tuple):
            now = self.refreshed(bits_of(kind, data))
            for target, bit in zip(places, now, strict=True):
                if isinstance(target, Tap) and not same(target, bit):
                    moves.append((target.clbit, bit))


def _unchanged(kind: Type, before: Data, after: Data) -> bool:
    if isinstance(kind, ArrayOf):
        pairs = zip(rows(kind, before), rows(kind, after), strict=True)
        return all(_unchanged(kind.inner, one, two) for one, two in pairs)
    if isinstance(before, Unknown) or isinstance(after, Unknown):
        return isinstance(before, Unknown)
    if isinstance(before, tuple) or isinstance(after, tuple):
        places = zip(bits_of(kind, before), bits_of(kind, after), strict=True)
        return all(same(one, two) for one, two in places)
    return type(before) is type(after) and before == after
