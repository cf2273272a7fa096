use crate::error::Error;

/// The error of a handler without a domain error: [`Error`], or any error that `?` converts into
/// one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of this handler",
    label = "its error is neither `cqrs_core::Error` nor a `std::error::Error`",
    note = "return `cqrs_core::Result<..>`: `?` makes its error of any `std::error::Error`, and \
            `.map_err(cqrs_core::Error::message)?` of a text or a boxed error"
)]
pub trait IntoHandlerError {
    /// Converts the error into the one that the dispatcher returns.
    fn into_error(self) -> Error;
}

#[diagnostic::do_not_recommend]
impl<E: Into<Error>> IntoHandlerError for E {
    #[inline]
    fn into_error(self) -> Error {
        self.into()
    }
}
