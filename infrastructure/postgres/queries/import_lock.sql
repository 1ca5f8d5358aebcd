-- Keeps everybody from writing while a log is imported, and tells whether there is one already.
LOCK TABLE tasks, events IN SHARE ROW EXCLUSIVE MODE;
