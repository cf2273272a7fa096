/// `quote!` whose local variables cannot meet the user's: a handler may be called `command` and
/// an event `event`. Items resolve where the macro is called, as with `quote!`.
macro_rules! code {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned!(::proc_macro2::Span::mixed_site()=> $($tokens)*)
    };
}

pub(crate) use code;
