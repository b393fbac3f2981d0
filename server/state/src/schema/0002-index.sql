-- Sets of people that were answered for the first time by a decision, as sketches: no number in here can be
-- traced to a person without the secret of disclosure control.
CREATE TABLE answered_sets (
    scope    TEXT    NOT NULL,
    position INTEGER NOT NULL REFERENCES journal (position),
    sets     BLOB    NOT NULL,
    PRIMARY KEY (scope, position)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER answered_sets_are_not_changed BEFORE UPDATE ON answered_sets
BEGIN SELECT RAISE(ABORT, 'an answered set stays as it was'); END;
CREATE TRIGGER answered_sets_are_not_removed BEFORE DELETE ON answered_sets
BEGIN SELECT RAISE(ABORT, 'an answered set stays as it was'); END;

-- What each agreement was charged, in millionths of an answer.
CREATE TABLE meters (
    agreement TEXT    PRIMARY KEY,
    charged   INTEGER NOT NULL CHECK (charged >= 0)
) STRICT, WITHOUT ROWID;
