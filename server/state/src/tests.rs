use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cordon_disclosure::{
    Asked, AuditEvent, AuditOutcome, Charge, Decided, Fingerprint, Ledger, LedgerError, Question,
    Recorded, Scope, Timestamp,
};
use rusqlite::Connection;

use crate::{SqliteState, StateError};

const NOON: Timestamp = Timestamp(1_795_000_000_000);

struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    Place { _folder: folder, path }
}

fn question(fingerprint: u8) -> Question {
    Question {
        tables: 1,
        query_id: format!("q-{fingerprint}"),
        analyst: "cordon-local#researcher".into(),
        agreement: "DARS-NIC-1".into(),
        meter: "DARS-NIC-1".into(),
        scope: Scope("hes/applied".into()),
        fingerprint: Fingerprint([fingerprint; 32]),
    }
}

fn event(query_id: &str, analyst: &str, outcome: AuditOutcome) -> AuditEvent {
    AuditEvent {
        query_id: query_id.into(),
        analyst: analyst.into(),
        agreement: "DARS-NIC-1".into(),
        door: "flight".into(),
        sql: "SELECT count(*) FROM hes.apc -- é\0".into(),
        fingerprint: Fingerprint([7; 32]),
        versions: "hes.apc@3".into(),
        outcome,
    }
}

fn released() -> AuditOutcome {
    AuditOutcome::Released { rows: 3, columns: 2 }
}

/// What `release` does: copy an earlier table, or decide anew.
fn ask(
    state: &SqliteState,
    fingerprint: u8,
    table: &[u8],
) -> Result<(Vec<u8>, Recorded), LedgerError> {
    let question = question(fingerprint);
    let mut given = Vec::new();
    let recorded = state.exclusive(asked(&question), NOON, &mut |earlier, _| {
        let found = earlier.table(&question.fingerprint)?;
        let copied = found.is_some();
        given = found.unwrap_or_else(|| table.to_vec());
        Ok(Some(decided(given.clone(), copied)))
    })?;
    Ok((given, recorded.expect("a decision was recorded")))
}

fn asked(question: &Question) -> Asked<'_> {
    Asked { question, separation: Some(10) }
}

fn decided(table: Vec<u8>, copied: bool) -> Decided {
    Decided { table, copied, charge: Charge(250_000), sets: Vec::new(), near: Vec::new() }
}

#[test]
fn the_same_question_gets_the_first_answer_also_after_a_restart() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    assert_eq!(ask(&state, 1, b"first").unwrap(), (b"first".to_vec(), Recorded(1)));
    assert_eq!(ask(&state, 1, b"second").unwrap(), (b"first".to_vec(), Recorded(2)));
    assert_eq!(ask(&state, 2, b"other").unwrap(), (b"other".to_vec(), Recorded(3)));
    drop(state);

    let state = SqliteState::open(&at.path).unwrap();
    assert_eq!(ask(&state, 1, b"third").unwrap(), (b"first".to_vec(), Recorded(4)));
    assert_eq!(state.verify().unwrap(), 4);
}

#[test]
fn scopes_do_not_see_each_other() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    ask(&state, 1, b"first").unwrap();
    let elsewhere = Question { scope: Scope("other".into()), ..question(1) };
    state
        .exclusive(asked(&elsewhere), NOON, &mut |earlier, _| {
            assert_eq!(earlier.table(&Fingerprint([1; 32]))?, None);
            Ok(Some(decided(b"elsewhere".to_vec(), false)))
        })
        .unwrap();
    assert_eq!(ask(&state, 1, b"").unwrap().0, b"first");
}

#[test]
fn an_answer_is_never_replaced() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    ask(&state, 1, b"first").unwrap();
    let anew = state.exclusive(asked(&question(1)), NOON, &mut |_, _| {
        Ok(Some(decided(b"second".to_vec(), false)))
    });
    assert_eq!(anew.unwrap_err().action, "write");
    assert_eq!(ask(&state, 1, b"").unwrap(), (b"first".to_vec(), Recorded(2)));
    assert_eq!(state.verify().unwrap(), 2);
}

#[test]
fn a_decision_that_fails_or_panics_leaves_nothing() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    let failed = state.exclusive(asked(&question(1)), NOON, &mut |_, _| {
        Err(LedgerError { action: "decide", source: "no".into() })
    });
    assert_eq!(failed.unwrap_err().action, "decide");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        state.exclusive(asked(&question(1)), NOON, &mut |_, _| panic!("a fault in a rule"))
    }));
    assert!(panicked.is_err());
    assert_eq!(ask(&state, 1, b"first").unwrap(), (b"first".to_vec(), Recorded(1)));
}

#[test]
fn a_full_disk_refuses_and_later_goes_on() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    ask(&state, 1, b"first").unwrap();
    let limit = |pages: i64| {
        let writer = state.writer.lock();
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
    };
    let pages: i64 =
        state.reader.lock().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    limit(pages);

    let large = vec![0_u8; 1 << 20];
    assert_eq!(ask(&state, 2, &large).unwrap_err().action, "write");
    let wordy = AuditEvent { sql: "x".repeat(60_000), ..event("q", "a", released()) };
    assert_eq!(state.record(&wordy, NOON).unwrap_err().action, "write");
    assert_eq!(state.verify().unwrap(), 1);

    limit(1 << 30);
    assert_eq!(ask(&state, 2, &large).unwrap(), (large, Recorded(2)));
    assert_eq!(state.record(&wordy, NOON).unwrap(), Recorded(3));
    assert_eq!(ask(&state, 1, b"").unwrap().0, b"first");
    assert_eq!(state.verify().unwrap(), 4);
}

/// The same on a real file system without space, where root may make one: a megabyte of memory, mounted
/// in a name space of its own, in which this program runs the test after this one.
#[test]
fn a_full_file_system_refuses_and_later_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=1m none \"$0\" || exit 77; \
                  exec \"$1\" --exact tests::on_a_small_file_system --ignored";
    let ran = Command::new("unshare")
        .args(["--mount", "sh", "-c", script])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .env(SMALL, folder.path())
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {}
        Ok(ran) if String::from_utf8_lossy(&ran.stdout).contains("running 1 test") => {
            panic!("{}", String::from_utf8_lossy(&ran.stdout))
        }
        _ => eprintln!("skipped: no file system can be mounted here"),
    }
}

const SMALL: &str = "CORDON_TEST_SMALL_FILE_SYSTEM";

#[test]
#[ignore = "run by the test before it"]
fn on_a_small_file_system() {
    let folder = PathBuf::from(std::env::var_os(SMALL).unwrap());
    let state = SqliteState::open(folder.join("state.sqlite")).unwrap();
    ask(&state, 1, b"first").unwrap();
    let filler = folder.join("filler");
    assert!(fs::write(&filler, vec![0; 2 << 20]).is_err(), "the disk is not full");

    let large = vec![1_u8; 100_000];
    assert_eq!(ask(&state, 2, &large).unwrap_err().action, "write");
    let wordy = AuditEvent { sql: "x".repeat(60_000), ..event("q", "a", released()) };
    assert_eq!(state.record(&wordy, NOON).unwrap_err().action, "write");
    assert_eq!(state.verify().unwrap(), 1);

    fs::remove_file(&filler).unwrap();
    assert_eq!(ask(&state, 2, &large).unwrap(), (large, Recorded(2)));
    assert_eq!(state.record(&wordy, NOON).unwrap(), Recorded(3));
    drop(state);
    let state = SqliteState::open(folder.join("state.sqlite")).unwrap();
    assert_eq!(ask(&state, 1, b"").unwrap().0, b"first");
    assert_eq!(state.verify().unwrap(), 4);
}

#[test]
fn a_file_that_was_moved_removed_or_replaced_refuses() {
    for part in ["state.sqlite", "state.sqlite-wal"] {
        let at = place();
        let state = SqliteState::open(&at.path).unwrap();
        ask(&state, 1, b"first").unwrap();
        let (there, away) = (at.path.with_file_name(part), at.path.with_file_name("away"));

        fs::rename(&there, &away).unwrap();
        assert_eq!(ask(&state, 2, b"lost").unwrap_err().action, "write", "{part} removed");
        fs::copy(&away, &there).unwrap();
        assert_eq!(ask(&state, 2, b"lost").unwrap_err().action, "write", "{part} replaced");
        assert!(state.record(&event("q", "a", released()), NOON).is_err());

        fs::rename(&away, &there).unwrap();
        assert_eq!(ask(&state, 2, b"second").unwrap(), (b"second".to_vec(), Recorded(2)));
    }
}

#[test]
fn a_file_replaced_while_deciding_is_noticed_before_anything_leaves() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    let result = state.exclusive(asked(&question(1)), NOON, &mut |_, _| {
        fs::rename(&at.path, at.path.with_file_name("away")).unwrap();
        Ok(Some(decided(b"lost".to_vec(), false)))
    });
    assert_eq!(result.unwrap_err().action, "write");
}

#[test]
fn two_who_ask_at_once_get_one_answer() {
    let at = place();
    let states = [SqliteState::open(&at.path).unwrap(), SqliteState::open(&at.path).unwrap()];
    let anew = AtomicU32::new(0);
    std::thread::scope(|threads| {
        for worker in 0..4_u8 {
            let (state, anew) = (Arc::clone(&states[usize::from(worker % 2)]), &anew);
            threads.spawn(move || {
                for turn in 0..25_u8 {
                    let mine = [worker, turn];
                    if ask(&state, turn, &mine).unwrap().0 == mine {
                        anew.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(anew.load(Ordering::Relaxed), 25);
    assert_eq!(states[0].verify().unwrap(), 100);
}

#[test]
fn the_file_is_its_owners_alone() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    ask(&state, 1, b"first").unwrap();
    for name in ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"] {
        let mode = fs::metadata(at.path.with_file_name(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    drop(state);
    fs::set_permissions(&at.path, PermissionsExt::from_mode(0o644)).unwrap();
    let _state = SqliteState::open(&at.path).unwrap();
    assert_eq!(fs::metadata(&at.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_cannot_be_ours_is_not_opened() {
    let at = place();
    let folder = SqliteState::open(at.path.parent().unwrap());
    assert!(matches!(folder, Err(StateError::File { .. })), "{folder:?}");
    let nowhere = SqliteState::open(at.path.join("deeper"));
    assert!(matches!(nowhere, Err(StateError::File { .. })), "{nowhere:?}");

    fs::write(&at.path, "hello ".repeat(1000)).unwrap();
    let text = SqliteState::open(&at.path);
    assert!(matches!(text, Err(StateError::Foreign { .. })), "{text:?}");
    fs::remove_file(&at.path).unwrap();

    Connection::open(&at.path).unwrap().execute_batch("CREATE TABLE theirs (x)").unwrap();
    let theirs = SqliteState::open(&at.path);
    assert!(matches!(theirs, Err(StateError::Foreign { .. })), "{theirs:?}");
    fs::remove_file(&at.path).unwrap();

    drop(SqliteState::open(&at.path).unwrap());
    Connection::open(&at.path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let newer = SqliteState::open(&at.path).unwrap_err();
    assert!(matches!(newer, StateError::Newer { found: 99, .. }), "{newer}");
}

#[test]
fn a_log_that_cannot_be_made_is_noticed_at_the_start() {
    let at = place();
    fs::create_dir(at.path.with_file_name("state.sqlite-wal")).unwrap();
    assert!(SqliteState::open(&at.path).is_err());
}

#[test]
fn a_file_that_may_only_be_read_is_noticed_at_the_start() {
    let at = place();
    drop(SqliteState::open(&at.path).unwrap());
    fs::set_permissions(&at.path, PermissionsExt::from_mode(0o400)).unwrap();
    if fs::OpenOptions::new().write(true).open(&at.path).is_ok() {
        return; // The superuser may write what may only be read.
    }
    let opened = SqliteState::open(&at.path);
    assert!(matches!(opened, Err(StateError::File { .. })), "{opened:?}");
}

#[test]
fn a_changed_entry_is_found() {
    let changes = [
        "UPDATE journal SET body = replace(body, 'hes.apc', 'hes.op') WHERE position = 2",
        "UPDATE journal SET at_ms = at_ms + 1 WHERE position = 2",
        "UPDATE journal SET analyst = agreement, agreement = analyst WHERE position = 2",
        "DELETE FROM journal WHERE position = 2",
        "UPDATE journal SET hash = zeroblob(32) WHERE position = 2",
    ];
    for change in changes {
        assert_eq!(broken_by(change), 2, "{change}");
    }
    assert_eq!(broken_by("UPDATE answers SET sealed = x'00'"), 1);
    assert_eq!(broken_by("PRAGMA foreign_keys = off; DELETE FROM answers"), 1);
}

fn broken_by(change: &str) -> u64 {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    ask(&state, 1, b"first").unwrap();
    for query in ["q-2", "q-3"] {
        state.record(&event(query, "a", released()), NOON).unwrap();
    }
    assert_eq!(state.verify().unwrap(), 3);
    drop(state);

    let other = Connection::open(&at.path).unwrap();
    let guarded = other.execute_batch(change).unwrap_err().to_string();
    assert!(
        guarded.contains("only appended to") || guarded.contains("as it was given"),
        "{guarded}"
    );
    other
        .execute_batch(
            "DROP TRIGGER journal_is_not_changed; DROP TRIGGER journal_is_not_shortened;
             DROP TRIGGER answers_are_not_changed; DROP TRIGGER answers_are_not_removed;",
        )
        .unwrap();
    other.execute_batch(change).unwrap();
    drop(other);
    match SqliteState::open(&at.path).unwrap().verify() {
        Err(StateError::Broken { position }) => position,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_audit_log_reads_back_what_was_recorded() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    let (mine, theirs) = ("cordon-local#a", "cordon-local#b");
    let outcomes = [
        ("q-1", mine, released()),
        ("q-2", theirs, AuditOutcome::Refused("CORDON-D101".into())),
        ("q-3", mine, AuditOutcome::Failed("CORDON-X101".into())),
    ];
    for (query_id, analyst, outcome) in &outcomes {
        state.record(&event(query_id, analyst, outcome.clone()), NOON).unwrap();
    }
    ask(&state, 1, b"first").unwrap();

    let own = state.queries_of(mine, 10).unwrap();
    let ids: Vec<_> = own.iter().map(|row| row.event.query_id.as_str()).collect();
    assert_eq!(ids, ["q-3", "q-1"]);
    assert_eq!(own[1].event.outcome, released());
    assert_eq!(own[1].event.sql, "SELECT count(*) FROM hes.apc -- é\0");
    assert_eq!((own[1].position, own[1].at), (Recorded(1), NOON));
    assert_eq!(own[1].event.fingerprint, Fingerprint([7; 32]));
    let tail = state.audit_tail(2).unwrap();
    let outcomes: Vec<_> = tail.into_iter().map(|row| row.event.outcome).collect();
    assert_eq!(
        outcomes,
        [AuditOutcome::Failed("CORDON-X101".into()), AuditOutcome::Refused("CORDON-D101".into())]
    );
}

#[test]
fn notes_are_kept_for_their_analyst() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    let notes = [(None, "groups of 10 people or more"), (Some("patients"), "rounded to 5")];
    state.keep_notes("q-1", "a", NOON, notes).unwrap();
    state.keep_notes("q-2", "b", NOON, [(None, "other")]).unwrap();
    assert!(state.keep_notes("q-1", "a", NOON, notes).is_err());
    let kept = state.notes_of("a", 10).unwrap();
    assert_eq!(kept.len(), 2);
    assert_eq!((kept[1].column.as_deref(), kept[1].text.as_str()), (notes[1].0, notes[1].1));
}

#[test]
fn withdrawn_tokens_stay_withdrawn_until_their_end() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    let later = Timestamp(NOON.0 + 1000);
    assert!(!state.revoked("cordon-local", "t").unwrap());
    state.revoke("cordon-local", "t", later, NOON).unwrap();
    state.revoke("cordon-local", "t", NOON, NOON).unwrap();
    drop(state);
    let state = SqliteState::open(&at.path).unwrap();
    assert!(state.revoked("cordon-local", "t").unwrap());
    assert!(!state.revoked("https://other.example", "t").unwrap());
    state.revoke("cordon-local", "u", later, Timestamp(later.0 + 1)).unwrap();
    assert!(!state.revoked("cordon-local", "t").unwrap());
}

/// Asks about sets that are near to remembered ones.
fn ask_near(state: &SqliteState, fingerprint: u8, analyst: &str, at: i64, near: &[u32]) {
    let question = Question { analyst: analyst.into(), ..question(fingerprint) };
    state
        .exclusive(asked(&question), Timestamp(at), &mut |_, _| {
            Ok(Some(Decided { near: near.to_vec(), ..decided(vec![fingerprint], false) }))
        })
        .unwrap();
}

#[test]
fn whoever_asks_again_and_again_around_the_same_people_is_seen() {
    let at = place();
    let state = SqliteState::open(&at.path).unwrap();
    // Three questions around set 7 by two analysts, one of them within a large table; one each around others.
    ask_near(&state, 1, "anna", 1_000, &[7]);
    ask_near(&state, 2, "bob", 2_000, &[7, 8]);
    ask_near(&state, 3, "anna", 3_000, &[7, 9, 10, 11]);
    ask_near(&state, 4, "anna", 4_000, &[]);
    drop(state);
    let state = SqliteState::open(&at.path).unwrap();
    let circles = state.circles(2, Timestamp(0)).unwrap();
    let [circle] = circles.as_slice() else { panic!("{circles:?}") };
    assert_eq!(circle.queries, ["q-1", "q-2", "q-3"]);
    assert_eq!(Vec::from_iter(&circle.analysts), ["anna", "bob"]);
    assert_eq!(
        (circle.first, circle.last, circle.fewest_sets),
        (Timestamp(1_000), Timestamp(3_000), 1)
    );
    // Most questions first; later ones only.
    assert_eq!(state.circles(1, Timestamp(0)).unwrap().len(), 5);
    assert!(state.circles(2, Timestamp(2_500)).unwrap().is_empty());
    assert_eq!(state.verify().unwrap(), 4);
}
