/// A Rust module for the scope of a dispatcher: the module with the [`module!`](crate::module!)
/// line, and all modules below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    path: &'static str,
}

impl Module {
    /// The module with this path, from `module_path!()`.
    pub const fn new(path: &'static str) -> Self {
        Self { path }
    }

    /// The path.
    pub const fn path(&self) -> &'static str {
        self.path
    }
}

/// Defines `pub fn module() -> Module` for the surrounding module. Write it once at the top of a
/// crate; `.module(the_crate::module())` on the builder then links the crate and includes its
/// handlers.
#[macro_export]
macro_rules! module {
    () => {
        /// This module, for `Dispatcher::builder().module(..)`.
        pub fn module() -> $crate::Module {
            $crate::Module::new(::core::module_path!())
        }
    };
}

/// Returns the error unless the condition holds.
///
/// ```
/// # use cqrs_core::ensure;
/// fn halve(number: u32) -> Result<u32, String> {
///     ensure!(number % 2 == 0, "odd");
///     Ok(number / 2)
/// }
/// assert_eq!(halve(3), Err("odd".to_owned()));
/// ```
///
/// A text may have arguments, also those that it names, as in `format!`:
///
/// ```
/// # use cqrs_core::{Rejected, ensure};
/// fn withdraw(balance: u64, amount: u64) -> Result<u64, Rejected> {
///     ensure!(amount > 0, "{amount} is no amount");
///     ensure!(amount <= balance, "{} is more than {balance}", amount);
///     Ok(balance - amount)
/// }
/// assert_eq!(withdraw(3, 0).unwrap_err().to_string(), "0 is no amount");
/// assert_eq!(withdraw(3, 5).unwrap_err().to_string(), "5 is more than 3");
/// ```
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $text:literal $(,)?) => {
        $crate::ensure!($condition, ::std::format!($text))
    };
    ($condition:expr, $error:expr $(,)?) => {
        if !$condition {
            return ::core::result::Result::Err(::core::convert::From::from($error));
        }
    };
    ($condition:expr, $format:literal, $($argument:tt)+) => {
        $crate::ensure!($condition, ::std::format!($format, $($argument)+))
    };
}
