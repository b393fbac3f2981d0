use crate::{Code, Family};

#[test]
fn every_code_is_listed_once_in_the_order_of_its_id() {
    // The match of `page` is exhaustive, so its arms count the codes.
    let arms = include_str!("../refusal/codes.rs").matches("=> &Page {").count();
    assert_eq!(Code::ALL.len(), arms);
    let order = |id: &str| {
        let family = ["A", "S", "D", "X"].iter().position(|letter| id[7..].starts_with(letter));
        (family.unwrap(), id[8..].parse::<u32>().unwrap())
    };
    for pair in Code::ALL.windows(2) {
        let (first, second) = (pair[0].id(), pair[1].id());
        assert!(order(first) < order(second), "{first} before {second}");
    }
}

#[test]
fn every_page_is_complete_and_follows_the_house_style() {
    for code in Code::ALL {
        let page = code.page();
        let id = page.id;
        assert!(id.starts_with("CORDON-") && id.len() == 11, "{id}");
        for text in [page.title, page.rule, page.remedy, page.example] {
            assert!(!text.trim().is_empty(), "{id}");
            assert!(!text.ends_with('.') && !text.contains('\n'), "{id}: {text}");
        }
        let letter = match code.family() {
            Family::Agreement => "A",
            Family::Disclosure => "D",
            Family::Sql => "S",
            Family::Operational => "X",
        };
        assert!(id[7..].starts_with(letter), "{id}");
    }
}
