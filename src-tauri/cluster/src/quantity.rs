//! Kubernetes quantities (`250m`, `1.5Gi`, `2e3`) as numbers.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The number that a quantity stands for; `None` when it is not one.
pub(crate) fn number(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.trim();
    let end = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(end);
    if let Some(exponent) = suffix.strip_prefix(['e', 'E']).and_then(|exponent| exponent.parse::<i32>().ok()) {
        return Some(digits.parse::<f64>().ok()? * 10f64.powi(exponent));
    }
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * factor)
}

/// CPU in thousandths of a core, rounded up as the scheduler does.
pub(crate) fn millicores(quantity: &Quantity) -> Option<f64> {
    // Decimal fractions such as 0.001 are not exact in binary; the bound keeps 1m from becoming 2m.
    number(quantity).map(|cores| (cores * 1000.0 - 1e-6).ceil().max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity(text.to_owned())
    }

    #[test]
    fn every_suffix_of_the_api_is_understood() {
        let cases = [
            ("0", 0.0),
            ("2", 2.0),
            ("250m", 0.25),
            ("1.5", 1.5),
            ("12345n", 0.000_012_345),
            ("128Mi", 134_217_728.0),
            ("1Gi", 1_073_741_824.0),
            ("2k", 2000.0),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("1E", 1e18),
        ];
        for (text, expected) in cases {
            let found = number(&quantity(text)).unwrap();
            assert!((found - expected).abs() <= expected * 1e-12, "{text} is {found}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_no_number() {
        for text in ["", "m", "1x", "1.2.3", "Mi", "--1"] {
            assert_eq!(number(&quantity(text)), None, "{text}");
        }
    }

    #[test]
    fn cpu_is_rounded_up_to_whole_millicores() {
        assert_eq!(millicores(&quantity("1m")), Some(1.0));
        assert_eq!(millicores(&quantity("0.001")), Some(1.0));
        assert_eq!(millicores(&quantity("1234567n")), Some(2.0));
        assert_eq!(millicores(&quantity("2")), Some(2000.0));
    }
}
