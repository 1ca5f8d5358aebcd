-- Batches are labels of tasks: nothing is lost.
DROP INDEX tasks_of_batch;
