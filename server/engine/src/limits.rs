//! Limits on the text, before any parser sees it.
//!
//! sqlparser and DataFusion recurse over operators and brackets: 20,000 `+` or 4,000 UNION ALL overflow
//! the stack, which ends the process. So a pass of our own counts words, operators and nesting; it
//! understands just enough of SQL's lexical rules to skip strings, quoted names and comments.

use cordon_disclosure::{Code, Place, Refusal};

/// Longest text, bytes.
pub(crate) const MAX_BYTES: usize = 64 * 1024;
/// Most words and signs.
pub(crate) const MAX_TOKENS: usize = 10_000;
/// Most operators, counting AND, OR, NOT, JOIN, UNION and the like.
pub(crate) const MAX_OPERATORS: usize = 500;
/// Most arithmetic signs: planning a chain of them takes more than the square of its length.
pub(crate) const MAX_ARITHMETIC: usize = 100;
/// Deepest nesting of brackets and CASE.
pub(crate) const MAX_NESTING: usize = 50;

/// Words after which the parser recurses or loops, as an operator does.
const OPERATOR_WORDS: &[&str] = &[
    "and",
    "or",
    "not",
    "is",
    "in",
    "like",
    "ilike",
    "between",
    "union",
    "intersect",
    "except",
    "join",
    "interval",
    "cast",
    "when",
    "with",
    "select",
    "collate",
    "at",
    "escape",
    "similar",
    "exists",
    "any",
    "all",
    "over",
    "filter",
    "date",
    "timestamp",
    "prior",
    "array",
    "extract",
    "explain",
    "describe",
];

/// Refuses a text that could hurt the parser.
pub(crate) fn check(text: &str) -> Result<(), Refusal> {
    if text.len() > MAX_BYTES {
        return Err(Refusal::new(Code::TextTooLong, "the text is longer than 65,536 bytes"));
    }
    let mut scan =
        Scan { bytes: text.as_bytes(), at: 0, tokens: 0, operators: 0, arithmetic: 0, depth: 0 };
    scan.run().map_err(|(code, at)| {
        let what = match code {
            Code::TextTooLong => "the text has more than 10,000 words and signs",
            Code::TooManyOperators => {
                "the text has more than 500 operators, or more than 100 arithmetic signs"
            }
            Code::NestedTooDeeply => "the text nests more than 50 deep",
            _ => "a string, quoted name or comment has no end",
        };
        Refusal::new(code, what).at(Some(place(text, at)))
    })
}

/// Line and column of a byte offset.
pub(crate) fn place(text: &str, at: usize) -> Place {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() as u64 + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) as u64 + 1;
    Place { line, column }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    tokens: usize,
    operators: usize,
    arithmetic: usize,
    depth: usize,
}

impl Scan<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn run(&mut self) -> Result<(), (Code, usize)> {
        while self.at < self.bytes.len() {
            let start = self.at;
            match self.peek(0) {
                b if b.is_ascii_whitespace() => {
                    self.at += 1;
                    continue;
                }
                b'-' if self.peek(1) == b'-' => self.line_comment(),
                b'/' if self.peek(1) == b'*' => self.block_comment(start)?,
                quote @ (b'\'' | b'"' | b'`') => self.quoted(quote, start)?,
                b'(' | b'[' | b'{' => {
                    self.depth += 1;
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                b if b.is_ascii_digit() => self.number(),
                b if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 => self.word(),
                b',' | b';' | b'.' => self.at += 1,
                sign => {
                    // The star of count(*) multiplies nothing.
                    let star =
                        sign == b'*' && start > 0 && self.bytes.get(start - 1) == Some(&b'(');
                    if matches!(sign, b'+' | b'-' | b'*' | b'/' | b'%' | b'|') && !star {
                        self.arithmetic += 1;
                    }
                    self.at += 1;
                    self.operators += 1;
                }
            }
            self.tokens += 1;
            if self.tokens > MAX_TOKENS {
                return Err((Code::TextTooLong, start));
            }
            if self.operators > MAX_OPERATORS || self.arithmetic > MAX_ARITHMETIC {
                return Err((Code::TooManyOperators, start));
            }
            if self.depth > MAX_NESTING {
                return Err((Code::NestedTooDeeply, start));
            }
        }
        Ok(())
    }

    fn line_comment(&mut self) {
        while self.at < self.bytes.len() && self.peek(0) != b'\n' {
            self.at += 1;
        }
    }

    /// Nested, as the parser reads them; without recursion.
    fn block_comment(&mut self, start: usize) -> Result<(), (Code, usize)> {
        let mut depth = 0usize;
        while self.at < self.bytes.len() {
            match (self.peek(0), self.peek(1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                    if depth > MAX_NESTING {
                        return Err((Code::NestedTooDeeply, start));
                    }
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.at += 1,
            }
        }
        Err((Code::SyntaxError, start))
    }

    /// A doubled quote stays inside. Backslashes have no meaning in our dialect.
    fn quoted(&mut self, quote: u8, start: usize) -> Result<(), (Code, usize)> {
        self.at += 1;
        while self.at < self.bytes.len() {
            if self.peek(0) == quote {
                if self.peek(1) != quote {
                    self.at += 1;
                    return Ok(());
                }
                self.at += 1;
            }
            self.at += 1;
        }
        Err((Code::SyntaxError, start))
    }

    fn number(&mut self) {
        while self.peek(0).is_ascii_alphanumeric() || matches!(self.peek(0), b'.' | b'_') {
            self.at += 1;
        }
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_ascii_alphanumeric()
            || matches!(self.peek(0), b'_' | b'$')
            || self.peek(0) >= 0x80
        {
            self.at += 1;
        }
        let word = self.bytes.get(start..self.at).unwrap_or_default().to_ascii_lowercase();
        match word.as_slice() {
            // CASE nests as brackets do, and has a word of its own to close it.
            b"case" => {
                self.depth += 1;
                self.operators += 1;
            }
            b"end" => self.depth = self.depth.saturating_sub(1),
            w if OPERATOR_WORDS.iter().any(|o| o.as_bytes() == w) => self.operators += 1,
            _ => {}
        }
    }
}
