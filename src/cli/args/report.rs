//! `report`.

use clap::Args;

/// `report`.
#[derive(Clone, Debug, Args)]
pub struct Reporting {
    /// Integrations to report on [default: all]
    #[arg(value_name = "INTEGRATION")]
    pub integrations: Vec<String>,
    /// Exit with 3 if less than this part is imported in one of them: 90, or 90%
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub fail_under: Option<f64>,
}

fn percent(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().parse::<f64>();
    number
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "write a number from 0 to 100".to_owned())
}
