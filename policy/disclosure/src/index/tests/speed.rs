//! Measured by hand, on an idle machine:
//! `cargo test --release -p cordon-disclosure speed -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use super::*;
use crate::Secret;

/// Resident memory of this process, in MiB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// People from `first` on, each with as many rows as it likes.
fn set(key: &crate::PeopleKey, first: i64, size: i64, rows: bool) -> Sketch {
    let mut sketch = Sketch::default();
    for person in first..first + size {
        sketch.add(key, &key.person(person), if rows { i128::from(person % 5) + 1 } else { 1 });
    }
    sketch
}

#[test]
#[ignore = "a measurement"]
fn speed_of_an_index_of_a_million_sets() {
    let key = Secret::new(&[7; 32]).unwrap().people();
    let before = resident();
    let mut index = Index::new(10);
    let started = Instant::now();
    // Tables of disjoint groups of 3 to 150 people: persons and rows of each.
    let size = |n: i64| 3 + (n * 7_919) % 148;
    for n in 0..500_000 {
        for kind in [0, 1] {
            let outcome = Outcome { figure: Some(i128::from(n)), spread: 1.0 };
            index.remember(Remembered {
                kind: Kind(kind),
                persons: size(n) as u32,
                sketch: set(&key, n * 200, size(n), kind == 1),
                outcome,
                copied: false,
            });
        }
    }
    eprintln!(
        "{} sets made and remembered in {:.1} s",
        index.len(),
        started.elapsed().as_secs_f64()
    );
    eprintln!("{:.0} MiB", resident() - before);
    // A 1,000-cell answer: half asked before, a quarter near to it, a quarter new.
    let asked: Vec<(i64, Sketch)> = (0..1_000)
        .map(|n| match n % 4 {
            0 | 1 => (size(n * 37), set(&key, n * 37 * 200, size(n * 37), false)),
            2 => (size(n * 41) - 1, set(&key, n * 41 * 200 + 1, size(n * 41) - 1, false)),
            _ => (size(n), set(&key, 400_000_000 + n * 200, size(n), false)),
        })
        .collect();
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..20 {
        let started = Instant::now();
        found = asked
            .iter()
            .filter(|(persons, sketch)| {
                black_box(index.earliest(
                    &index.sought(Kind(0), sketch),
                    *persons as u64,
                    sketch,
                    || 4,
                    (14, |_| 14),
                ))
                .is_some()
            })
            .count();
        times.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    eprintln!(
        "1,000 look-ups, {found} of them near: median {:.1} ms, most {:.1} ms",
        times[10], times[19]
    );
    let mark = Mark(0);
    let bytes = index.bytes_since(mark).len();
    eprintln!("{:.0} bytes kept for each set", bytes as f64 / index.len() as f64);
}
