-- Waits a moment for whoever reads or writes `tasks`, then keeps everybody out.
SET LOCAL lock_timeout = '300ms';
LOCK TABLE public.tasks IN ACCESS EXCLUSIVE MODE;
