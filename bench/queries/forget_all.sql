-- Makes every row of the outbox wait again.
UPDATE outbox
SET dispatch_number = NULL
