//! The rules that are attacked: profiles that ship, the same with other numbers, and rules that protect less.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use cordon_disclosure::Profile;

use crate::Without;

/// A profile with what is left out of it.
#[derive(Clone)]
pub struct Rules {
    /// How tables call it.
    pub name: String,
    /// Its numbers.
    pub profile: Profile,
    /// What is left out.
    pub without: Without,
}

/// Small groups are hidden, and nothing else is done.
const THRESHOLD_ONLY: &str = r#"
name = "threshold-only"
threshold = 10
rounding = 1
clip = "none"
zeros = "suppressed"
symbol = "[c]"
"#;

impl Rules {
    /// A profile that ships.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn shipped(name: &str) -> Result<Self> {
        let profile = Profile::built_in(name).with_context(|| format!("profile `{name}`"))?;
        Ok(Self { name: name.to_owned(), profile, without: Without::Nothing })
    }

    /// A threshold of 10 and exact figures.
    ///
    /// # Errors
    /// Never: the text is a profile.
    pub fn threshold_only() -> Result<Self> {
        let profile = Profile::from_toml("threshold-only", THRESHOLD_ONLY)?;
        Ok(Self { name: "threshold only".to_owned(), profile, without: Without::Nothing })
    }

    /// Noise of a standard deviation of 1 that is drawn anew for each question, as systems have it whose noise depends on the
    /// text.
    ///
    /// # Errors
    /// When the profile has other lines.
    pub fn fresh_noise() -> Result<Self> {
        let numbers = [("variance", 1.0), ("bound", 3.0), ("per_person", 0.0)];
        Ok(Self::with_numbers("nhs-sde", &numbers)?.without(Without::Keying))
    }

    /// The same without a part.
    #[must_use]
    pub fn without(mut self, without: Without) -> Self {
        self.name += match without {
            Without::Nothing => "",
            Without::Meter => ", no meter",
            Without::Memory => ", no memory",
            Without::Releases => ", memory of one release",
            Without::Keying => ", noise by text",
        };
        self.without = without;
        self
    }

    /// A profile that is not built in.
    ///
    /// # Errors
    /// When the file cannot be read or is no profile.
    pub fn of_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read `{}`", path.display()))?;
        let name = path.display().to_string();
        let profile = Profile::from_toml(&name, &text)?;
        Ok(Self { name, profile, without: Without::Nothing })
    }

    /// A profile that ships, with other numbers in some of its lines.
    ///
    /// # Errors
    /// When there is no such profile or line, or the numbers would protect nobody.
    pub fn with_numbers(name: &str, numbers: &[(&str, f64)]) -> Result<Self> {
        let mut text = match name {
            "guarded" => include_str!("../../../policy/profiles/guarded.toml").to_owned(),
            "nhs-sde" => include_str!("../../../policy/profiles/nhs-sde.toml").to_owned(),
            other => bail!("`{other}` has no numbers to change"),
        };
        let mut said = vec![format!("`{name}`")];
        for (key, number) in numbers {
            let line = text.lines().find(|line| line.starts_with(&format!("{key} =")));
            let line = line.with_context(|| format!("`{key}` in `{name}`"))?.to_owned();
            text = text.replace(&line, &format!("{key} = {number}"));
            said.push(format!("{key} {number}"));
        }
        let profile = Profile::from_toml(name, &text)?;
        Ok(Self { name: said.join(", "), profile, without: Without::Nothing })
    }
}
