-- Begins to remember how far the shadow is, and which version of the code folds into it.
INSERT INTO ketlog_rebuild.progress (made_by) VALUES ($1)
