//! Kubernetes quantities, by hand because no library keeps the suffix, and the suffix is what goes wrong.
//!
//! Source: kubernetes/apimachinery pkg/api/resource/quantity.go.

/// A parsed quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantity {
    /// The value in base units (bytes for memory, cores for cpu).
    pub value: f64,
    /// Whether it was written with the suffix `m`: thousandths of the base unit.
    pub milli: bool,
}

impl Quantity {
    /// Parses `512Mi`, `512m`, `1.5`, `2e3`; `None` where it is no quantity.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(value) = text.parse::<f64>() {
            return value.is_finite().then_some(Self { value, milli: false });
        }
        let split = text.find(|c: char| c.is_ascii_alphabetic())?;
        let number: f64 = text[..split].parse().ok()?;
        let factor = match &text[split..] {
            "n" => 1e-9,
            "u" => 1e-6,
            "m" => 1e-3,
            "k" => 1e3,
            "M" => 1e6,
            "G" => 1e9,
            "T" => 1e12,
            "P" => 1e15,
            "E" => 1e18,
            "Ki" => 1024f64,
            "Mi" => 1024f64.powi(2),
            "Gi" => 1024f64.powi(3),
            "Ti" => 1024f64.powi(4),
            "Pi" => 1024f64.powi(5),
            "Ei" => 1024f64.powi(6),
            _ => return None,
        };
        Some(Self { value: number * factor, milli: &text[split..] == "m" })
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn suffixes() {
        let value = |text: &str| Quantity::parse(text).map(|quantity| quantity.value);
        assert_eq!(value("512Mi"), Some(536_870_912.0));
        assert_eq!(value("512M"), Some(512_000_000.0));
        assert_eq!(value("512m"), Some(0.512));
        assert_eq!(value("1e3"), Some(1000.0));
        assert_eq!(value("128974848"), Some(128_974_848.0));
        assert_eq!(value("12Q"), None);
        assert_eq!(value(""), None);
        assert!(Quantity::parse("512m").is_some_and(|quantity| quantity.milli));
    }
}
