//! Formats numbers for readers.

/// A number with three significant digits, the precision of the measurements.
pub fn figure(figure: f64) -> String {
    match figure {
        small if small < 10.0 => format!("{small:.2}"),
        middle if middle < 100.0 => format!("{middle:.1}"),
        large => grouped(&format!("{large:.0}")),
    }
}

/// A number's digits, in groups of three.
pub fn grouped(digits: &str) -> String {
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_groups() {
        assert_eq!(figure(1.234), "1.23");
        assert_eq!(figure(45.67), "45.7");
        assert_eq!(figure(123.4), "123");
        assert_eq!(figure(1_234_567.0), "1 234 567");
    }
}
