//! The rules that are attacked: profiles that ship, the same with other numbers, and rules that protect less.

use anyhow::{Context as _, Result, anyhow};
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

    /// The same without a part.
    #[must_use]
    pub fn without(mut self, without: Without) -> Self {
        self.name += match without {
            Without::Nothing => "",
            Without::Meter => ", no meter",
            Without::Memory => ", no memory",
            Without::Keying => ", noise by text",
        };
        self.without = without;
        self
    }

    /// A profile with noise of other numbers: variance V and per person, weights, and where growth begins.
    ///
    /// # Errors
    /// When the numbers would protect nobody.
    pub fn with_numbers(name: &str, variance: f64, bound: u32, growth_from: f64) -> Result<Self> {
        let (jitter, weights, least) =
            if name == "nhs-sde" { (4, 0.05, 0.5) } else { (8, 0.1, 0.9) };
        let per_person = variance / 120.0;
        let text = format!(
            "name = \"other\"\nthreshold = 10\nrounding = 5\nclip = \"threshold-largest\"\nzeros = \"suppressed\"\n\
             symbol = \"[c]\"\nsignificant_digits = 3\n[noise]\nthreshold_jitter = {jitter}\nseparation = 10\n\
             separation_jitter = 10\nweights = {weights:?}\nvariance = {variance:?}\nper_person = {per_person:?}\n\
             bound = {bound}\n[meter]\ngrowth_from = {growth_from:?}\nleast_charge = {least:?}\n"
        );
        let profile = Profile::from_toml("other", &text).map_err(|problem| anyhow!("{problem}"))?;
        let name = format!("V {variance}, growth from {growth_from}");
        Ok(Self { name, profile, without: Without::Nothing })
    }
}
