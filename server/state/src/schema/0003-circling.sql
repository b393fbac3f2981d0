-- Which remembered sets of people the cells of a decision were near to, without being the same: their numbers in
-- the scope's index, 4 bytes each, little-endian. For governance only: nothing is decided by it.
CREATE TABLE near_sets (
    scope    TEXT    NOT NULL,
    position INTEGER NOT NULL REFERENCES journal (position),
    sets     BLOB    NOT NULL CHECK (length(sets) > 0 AND length(sets) % 4 = 0),
    PRIMARY KEY (scope, position)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER near_sets_are_not_changed BEFORE UPDATE ON near_sets
BEGIN SELECT RAISE(ABORT, 'a near set stays as it was'); END;
CREATE TRIGGER near_sets_are_not_removed BEFORE DELETE ON near_sets
BEGIN SELECT RAISE(ABORT, 'a near set stays as it was'); END;
