//! The files that ship with Cordon, embedded in the binary. Adding a file here is all it takes.

macro_rules! embedded {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../", $path)))),*]
    };
}

/// Path and text of each file.
pub(crate) const FILES: &[(&str, &str)] = embedded![
    "codes/admission.toml",
    "codes/emergency.toml",
    "codes/outpatient.toml",
    "codes/patient.toml",
    "codes/specialty.toml",
    "ref/hrg.toml",
    "ref/icd10.toml",
    "ref/opcs4.toml",
    "tables/hes_ae.toml",
    "tables/hes_apc.toml",
    "tables/hes_op.toml",
    "tables/ref_codes.toml",
    "tables/ref_places.toml",
];
