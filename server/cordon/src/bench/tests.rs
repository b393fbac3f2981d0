use std::time::Duration;

use super::report::{Asked, median};
use super::*;

fn asked(milliseconds: u64) -> Asked {
    Asked { took: Duration::from_millis(milliseconds), rows: 3 }
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
}

#[test]
fn reports_compare_medians_and_name_what_failed() {
    let mut good = Measured::new("good");
    for (protected, plain) in [(20, 10), (30, 10), (1000, 10)] {
        good.add(asked(protected), asked(plain));
    }
    let mut refused = Measured::new("bad");
    refused.problem = Some("refused: a | b".to_owned());
    let report = Report { people: 5, repeat: 3, threads: 2, measured: vec![good, refused] };
    assert!(!report.is_whole());
    let text = report.markdown();
    assert!(text.contains("| good | 30.0 | - | 10.0 | 3.00 | 3 | 3 |"), "{text}");
    assert!(text.contains("| bad | refused: a \\| b |") && text.ends_with("plain: 3.00"), "{text}");
    assert_eq!(report.json()["queries"][0]["ratio"], 3.0);
    assert!(report.json()["queries"][1]["ratio"].is_null());
}

#[test]
fn nothing_measured_is_no_ratio() {
    let report = Report { people: 5, repeat: 3, threads: 2, measured: vec![Measured::new("x")] };
    assert!(report.json()["ratio"].is_null());
    assert!(report.markdown().contains("| x | not asked |"));
}

#[test]
fn the_truth_has_one_column_more() {
    use super::questions::{BEHIND, with_people};
    for question in QUESTIONS {
        let text = with_people(question.sql);
        assert_eq!(text.matches(BEHIND).count(), 1, "{}", question.name);
        assert!(!text.contains("/*") && question.sql.contains("/* behind "), "{}", question.name);
    }
    assert_eq!(QUESTIONS.iter().filter(|question| question.smoke).count(), 10);
}
