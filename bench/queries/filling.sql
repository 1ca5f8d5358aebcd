-- What the tasks of a filled log are made from.
CREATE TEMPORARY TABLE filling (
    template       bigint PRIMARY KEY,
    worker         text,
    metadata       text,
    submitted_data text,
    started_data   text,
    completed_data text,
    circuit_salt   bytea,
    circuit_body   bytea,
    result_salt    bytea,
    result_body    bytea
);

-- A UUIDv7 of that moment.
CREATE FUNCTION pg_temp.uuid7_at(moment timestamptz) RETURNS uuid
    LANGUAGE sql VOLATILE
    RETURN (
        lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
        || '7' || substr(replace(gen_random_uuid()::text, '-', ''), 14)
    )::uuid;
