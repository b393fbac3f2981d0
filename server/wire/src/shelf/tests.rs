use super::*;
use crate::testing::agreement_id;

const LIMITS: Limits = Limits { per_person: 3, bytes: 100, life: Duration::from_secs(60) };

fn person(name: &str) -> UserId {
    UserId::new("cordon-local", name)
}

#[test]
fn a_thing_is_found_by_its_owner_until_its_time_is_over() {
    let (shelf, start) = (Shelf::new(LIMITS), Instant::now());
    let (anna, ben) = (person("anna"), person("ben"));
    let key = shelf.keep(&anna, &agreement_id(), "thing", 10, start).unwrap();
    let (agreement, thing) = shelf.find(&anna, &key, start).unwrap();
    assert_eq!((agreement, *thing), (agreement_id(), "thing"));

    assert!(shelf.find(&ben, &key, start).is_none());
    assert!(!shelf.drop_one(&ben, &key));
    assert!(shelf.find(&anna, &key[..31], start).is_none());
    assert!(shelf.find(&anna, &[], start).is_none());
    assert!(shelf.find(&anna, &[0; 4096], start).is_none());
    let end = start + LIMITS.life;
    assert!(shelf.find(&anna, &key, end - Duration::from_millis(1)).is_some());
    assert!(shelf.find(&anna, &key, end).is_none());

    assert!(shelf.drop_one(&anna, &key));
    assert!(!shelf.drop_one(&anna, &key));
    assert!(shelf.find(&anna, &key, start).is_none());
}

#[test]
fn the_oldest_of_a_person_makes_room_and_nobody_elses() {
    let (shelf, now) = (Shelf::new(LIMITS), Instant::now());
    let (anna, ben) = (person("anna"), person("ben"));
    let bens = shelf.keep(&ben, &agreement_id(), 0, 1, now).unwrap();
    let annas: Vec<Key> =
        (1..=4).map(|at| shelf.keep(&anna, &agreement_id(), at, 1, now).unwrap()).collect();
    let found: Vec<bool> = annas.iter().map(|key| shelf.find(&anna, key, now).is_some()).collect();
    assert_eq!(found, [false, true, true, true]);
    assert!(shelf.find(&ben, &bens, now).is_some());
}

#[test]
fn whoever_keeps_most_makes_room() {
    let (shelf, now) = (Shelf::new(LIMITS), Instant::now());
    let (anna, ben, cleo) = (person("anna"), person("ben"), person("cleo"));
    let small = shelf.keep(&ben, &agreement_id(), 0, 20, now).unwrap();
    let first = shelf.keep(&anna, &agreement_id(), 1, 40, now).unwrap();
    let second = shelf.keep(&anna, &agreement_id(), 2, 40, now).unwrap();
    let third = shelf.keep(&cleo, &agreement_id(), 3, 30, now).unwrap();
    assert!(shelf.find(&anna, &first, now).is_none());
    assert!(shelf.find(&anna, &second, now).is_some());
    assert!(shelf.find(&ben, &small, now).is_some());
    assert!(shelf.find(&cleo, &third, now).is_some());
    assert!(matches!(shelf.keep(&anna, &agreement_id(), 4, 101, now), Err(NotKept::TooLarge)));
    assert_eq!(shelf.kept.lock().bytes, 90);
    // Expired things make room first, and their bytes come back.
    let later = now + LIMITS.life;
    shelf.keep(&ben, &agreement_id(), 5, 100, later).unwrap();
    assert_eq!(shelf.kept.lock().bytes, 100);
}
