-- Each filter of a list of entries has an index in the order in which the list is shown, so that a page is read
-- from its end whatever the table holds. One record's entries come in the order of their numbers; the time at
-- the end of its index tells which of them are older than a moment without a look at them.

DROP INDEX audit.entry_record;
CREATE INDEX entry_record ON audit.entry (tenant_id, record_id, entity_type, sequence, created_at);
DROP INDEX audit.entry_person;
CREATE INDEX entry_person ON audit.entry (tenant_id, modified_by, created_at, sequence);
DROP INDEX audit.entry_request;
CREATE INDEX entry_request ON audit.entry (tenant_id, request_id, created_at, sequence) WHERE request_id IS NOT NULL;
CREATE INDEX entry_entity ON audit.entry (tenant_id, entity_type, created_at, sequence);
CREATE INDEX entry_operation ON audit.entry (tenant_id, operation, created_at, sequence);
