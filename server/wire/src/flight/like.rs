//! LIKE patterns of metadata filters: `%`, `_` and `\` as escape. Pandas sends whole SQL statements as
//! patterns, so any text is taken, and none costs more than its length times that of a table name.

/// Whether the whole of `text` fits `pattern`.
pub(crate) fn like(text: &str, pattern: &str) -> bool {
    let pattern = read(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut in_pattern) = (0, 0);
    // Where the last `%` stands, and how much of the text it has taken so far.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(c) = text.get(at) {
        match pattern.get(in_pattern) {
            Some(Part::Any) => {
                retry = Some((in_pattern, at));
                in_pattern += 1;
            }
            Some(part) if part.takes(*c) => {
                at += 1;
                in_pattern += 1;
            }
            _ => match retry {
                Some((any, taken)) => {
                    retry = Some((any, taken + 1));
                    at = taken + 1;
                    in_pattern = any + 1;
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(in_pattern).all(|part| *part == Part::Any)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Exactly(char),
}

impl Part {
    fn takes(self, c: char) -> bool {
        match self {
            Part::Any => false,
            Part::One => true,
            Part::Exactly(own) => own == c,
        }
    }
}

fn read(pattern: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '%' => Part::Any,
            '_' => Part::One,
            '\\' => Part::Exactly(chars.next().unwrap_or('\\')),
            other => Part::Exactly(other),
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn patterns_fit_as_in_sql() {
        for (text, pattern, fits) in [
            ("apc", "apc", true),
            ("apc", "APC", false),
            ("apc", "", false),
            ("", "", true),
            ("", "%", true),
            ("apc", "%", true),
            ("apc", "a%", true),
            ("apc", "%c", true),
            ("apc", "%p%", true),
            ("apc", "a_c", true),
            ("apc", "a__c", false),
            ("apc", "___", true),
            ("apc", "%%%", true),
            ("ons_mortality", "ons\\_%", true),
            ("onsxmortality", "ons\\_%", false),
            ("50%", "50\\%", true),
            ("501", "50\\%", false),
            ("aab", "%ab", true),
            ("abcabd", "%ab_", true),
            ("apc", "apc%x", false),
            ("apc\\", "apc\\", true),
            ("apc", "SELECT '%' || x FROM hes.apc WHERE a LIKE 'a_%'", false),
        ] {
            assert_eq!(like(text, pattern), fits, "{text} LIKE {pattern}");
        }
    }

    #[test]
    fn long_patterns_are_cheap() {
        let started = std::time::Instant::now();
        let pattern = format!("{}b", "%a".repeat(30_000));
        assert!(!like(&"a".repeat(60), &pattern));
        assert!(!like(&"a".repeat(60), &"%_".repeat(30_000)));
        assert!(started.elapsed().as_secs() < 2);
    }
}
