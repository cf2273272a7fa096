use uuid::Uuid;

use crate::Timestamp;
use crate::store::SortKey;

/// A type of `#[index]` fields of a read model.
///
/// ```
/// use cqrs_core::store::SortKey;
/// use cqrs_core::views::Indexed;
///
/// #[derive(Clone, Copy)]
/// enum Stage {
///     Placed,
///     Paid,
/// }
///
/// impl Indexed for Stage {
///     fn sort_key(&self, key: &mut SortKey) {
///         (*self as u8).sort_key(key);
///     }
/// }
///
/// assert!(SortKey::of(&Stage::Placed) < SortKey::of(&Stage::Paid));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an `#[index]`",
    label = "this type has no order that a store could keep",
    note = "an index is a string, number, `bool`, `Timestamp`, `Uuid`, an `Option` of these, or \
            `Decimal` with cqrs-core's feature `decimal`",
    note = "for a type of your own, implement `cqrs_core::views::Indexed`"
)]
pub trait Indexed {
    /// Adds to `key` bytes that sort as the value does.
    fn sort_key(&self, key: &mut SortKey);
}

impl SortKey {
    /// The sort key of a value.
    pub fn of<T: Indexed + ?Sized>(value: &T) -> Self {
        let mut key = Self::default();
        value.sort_key(&mut key);
        key
    }
}

macro_rules! unsigned {
    ($($number:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Indexed for $number {
            fn sort_key(&self, key: &mut SortKey) {
                key.push(&self.to_be_bytes());
            }
        }
    )*};
}

macro_rules! signed {
    ($($number:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Indexed for $number {
            fn sort_key(&self, key: &mut SortKey) {
                // With the sign bit flipped, two's complement sorts as unsigned bytes do.
                key.push(&(*self ^ <$number>::MIN).to_be_bytes());
            }
        }
    )*};
}

unsigned!(u8 u16 u32 u64 u128);
signed!(i8 i16 i32 i64 i128);

#[diagnostic::do_not_recommend]
impl Indexed for usize {
    fn sort_key(&self, key: &mut SortKey) {
        (*self as u64).sort_key(key);
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for isize {
    fn sort_key(&self, key: &mut SortKey) {
        (*self as i64).sort_key(key);
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for bool {
    fn sort_key(&self, key: &mut SortKey) {
        key.push(&[u8::from(*self)]);
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for f64 {
    fn sort_key(&self, key: &mut SortKey) {
        // `-0.0` and `0.0` are equal, and every NaN sorts after the numbers.
        let value = if self.is_nan() { f64::NAN } else { *self + 0.0 };
        let bits = value.to_bits();
        let ordered = if value.is_sign_negative() {
            !bits
        } else {
            bits | 1 << 63
        };
        key.push(&ordered.to_be_bytes());
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for f32 {
    fn sort_key(&self, key: &mut SortKey) {
        f64::from(*self).sort_key(key);
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for str {
    fn sort_key(&self, key: &mut SortKey) {
        key.push(self.as_bytes());
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for String {
    fn sort_key(&self, key: &mut SortKey) {
        self.as_str().sort_key(key);
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for Uuid {
    fn sort_key(&self, key: &mut SortKey) {
        key.push(self.as_bytes());
    }
}

#[diagnostic::do_not_recommend]
impl Indexed for Timestamp {
    fn sort_key(&self, key: &mut SortKey) {
        self.as_nanosecond().sort_key(key);
    }
}

#[diagnostic::do_not_recommend]
impl<T: Indexed> Indexed for Option<T> {
    /// `None` sorts before every value.
    fn sort_key(&self, key: &mut SortKey) {
        if let Some(value) = self {
            key.push(&[1]);
            value.sort_key(key);
        }
    }
}

#[diagnostic::do_not_recommend]
impl<T: Indexed + ?Sized> Indexed for &T {
    fn sort_key(&self, key: &mut SortKey) {
        (**self).sort_key(key);
    }
}

#[cfg(feature = "decimal")]
#[diagnostic::do_not_recommend]
impl Indexed for rust_decimal::Decimal {
    /// As a fixed-point number with 28 fractional digits, which every `Decimal` has at most: the
    /// integral part has at most 29 digits, so both parts fit 128 bits.
    fn sort_key(&self, key: &mut SortKey) {
        let floor = self.floor();
        let mut fraction = *self - floor;
        fraction.rescale(28);
        let mut integral = floor;
        integral.rescale(0);
        integral.mantissa().sort_key(key);
        fraction.mantissa().sort_key(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted<T: Indexed>(values: &[T]) -> bool {
        values
            .windows(2)
            .all(|pair| SortKey::of(&pair[0]) < SortKey::of(&pair[1]))
    }

    #[test]
    fn keys_sort_as_their_values_do() {
        assert!(sorted(&[i64::MIN, -2, -1, 0, 1, 256, i64::MAX]));
        assert!(sorted(&[0u32, 1, 255, 256, u32::MAX]));
        assert!(sorted(&[
            f64::NEG_INFINITY,
            -1.5,
            -0.1,
            0.0,
            1e-300,
            2.0,
            f64::INFINITY
        ]));
        assert!(sorted(&["", "a", "ab", "b", "é"]));
        assert!(sorted(&[None, Some(i32::MIN), Some(0)]));
        assert!(sorted(&[false, true]));
        assert!(sorted(&[
            Timestamp::MIN,
            Timestamp::UNIX_EPOCH,
            Timestamp::MAX
        ]));
    }

    #[cfg(feature = "decimal")]
    #[test]
    fn decimals_sort_by_value_whatever_their_scale() {
        use rust_decimal::Decimal;
        let decimal = |text: &str| text.parse::<Decimal>().expect("a decimal");
        let ascending = [
            "-79228162514264337593543950335",
            "-1.5",
            "-1.25",
            "-0.0000000000000000000000000001",
            "0",
            "0.0000000000000000000000000001",
            "9.99",
            "95.50",
            "1150",
            "79228162514264337593543950335",
        ];
        assert!(sorted(&ascending.map(decimal)));
        assert_eq!(SortKey::of(&decimal("1.50")), SortKey::of(&decimal("1.5")));
    }
}
