DROP TABLE task_totals;
