-- One row: what is known about the file itself.
CREATE TABLE about (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    opened INTEGER NOT NULL
) STRICT;
INSERT INTO about VALUES (1, 0);

-- Everything that was decided and everything that was asked, in order. Only ever appended to.
-- `hash` is SHA-256 over the previous row's hash and this row.
CREATE TABLE journal (
    position  INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    kind      TEXT    NOT NULL CHECK (kind IN ('decision', 'query')),
    query_id  TEXT    NOT NULL,
    analyst   TEXT    NOT NULL,
    agreement TEXT    NOT NULL,
    body      TEXT    NOT NULL,
    hash      BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX journal_by_analyst ON journal (analyst, kind, position);
CREATE INDEX journal_by_query ON journal (query_id);

CREATE TRIGGER journal_is_not_changed BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is only appended to'); END;
CREATE TRIGGER journal_is_not_shortened BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is only appended to'); END;

-- What was answered when a question was first asked; the same question gets it again.
CREATE TABLE answers (
    scope       TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32),
    sealed      BLOB    NOT NULL,
    position    INTEGER NOT NULL REFERENCES journal (position),
    PRIMARY KEY (scope, fingerprint)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX answers_by_position ON answers (position);

CREATE TRIGGER answers_are_not_changed BEFORE UPDATE ON answers
BEGIN SELECT RAISE(ABORT, 'an answer stays as it was given'); END;
CREATE TRIGGER answers_are_not_removed BEFORE DELETE ON answers
BEGIN SELECT RAISE(ABORT, 'an answer stays as it was given'); END;

-- What was said about the figures of an answer, for its analyst to look up.
CREATE TABLE notes (
    query_id TEXT    NOT NULL,
    place    INTEGER NOT NULL,
    analyst  TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    column   TEXT,
    text     TEXT    NOT NULL,
    PRIMARY KEY (query_id, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX notes_by_analyst ON notes (analyst, at_ms);

-- Tokens that were withdrawn before they expired.
CREATE TABLE withdrawn_tokens (
    issuer   TEXT    NOT NULL,
    token_id TEXT    NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (issuer, token_id)
) STRICT, WITHOUT ROWID;
