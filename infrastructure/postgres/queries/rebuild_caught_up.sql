-- Remembers up to where in the log the shadow is caught up.
UPDATE ketlog_rebuild.progress SET xid = $1::text::xid8, position = $2
