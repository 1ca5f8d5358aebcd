DROP TABLE leases;
DROP SEQUENCE dispatch_numbers;
DROP TABLE outbox;
