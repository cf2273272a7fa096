#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn figure(number: u64) -> f64 {
    number as f64
}

pub fn truth(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}
