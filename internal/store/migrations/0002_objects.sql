-- Objects are files of components: attachments, and bodies too large for a message. Their bytes are in chunks, so that nobody holds one whole.

CREATE TABLE objects (
	id           TEXT PRIMARY KEY,
	namespace    TEXT NOT NULL,
	flow         TEXT NOT NULL,
	step         TEXT NOT NULL, -- that stored it
	content_type TEXT NOT NULL,
	bytes        BIGINT NOT NULL,
	upload       TEXT NOT NULL, -- whose chunks it has
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL
);

CREATE INDEX objects_flow ON objects (namespace, flow);
CREATE INDEX objects_expiry ON objects (expires_at);

CREATE TABLE object_chunks (
	upload     TEXT NOT NULL,
	position   BIGINT NOT NULL,
	data       {bytes} NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (upload, position)
);

CREATE INDEX object_chunks_age ON object_chunks (created_at);
