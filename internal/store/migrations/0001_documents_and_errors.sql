-- {bytes} and {serial} stand for types that the two databases name differently. Times are milliseconds since 1970.

CREATE TABLE documents (
	kind       TEXT NOT NULL,
	namespace  TEXT NOT NULL,
	flow       TEXT NOT NULL,
	name       TEXT NOT NULL,
	value      {bytes} NOT NULL, -- JSON
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (kind, namespace, flow, name)
);

CREATE TABLE errors (
	id          {serial},
	namespace   TEXT NOT NULL,
	flow        TEXT NOT NULL,
	step        TEXT NOT NULL,
	execution   TEXT NOT NULL,
	message     TEXT NOT NULL, -- id of the message that couldn't be processed; empty for errors at start
	fingerprint TEXT NOT NULL, -- of the message's body, since some senders give several messages one id; empty while it's unknown
	state       TEXT NOT NULL, -- open, replayed, discarded
	seen        BIGINT NOT NULL, -- which sources have told of it since it was last opened, as bits
	times       BIGINT NOT NULL,
	first_at    BIGINT NOT NULL,
	last_at     BIGINT NOT NULL,
	reason      TEXT NOT NULL,
	stack       TEXT NOT NULL,
	headers     {bytes} NOT NULL, -- JSON; empty for none
	input       {bytes} NOT NULL,
	input_bytes BIGINT NOT NULL
);

CREATE UNIQUE INDEX errors_message ON errors (namespace, flow, step, message, fingerprint) WHERE message <> '';
CREATE INDEX errors_flow ON errors (namespace, flow, state, id);
CREATE INDEX errors_state ON errors (state, last_at);
