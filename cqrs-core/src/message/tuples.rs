/// Calls a macro with the type parameters of each tuple that handlers may return.
macro_rules! for_tuples {
    ($implement:ident) => {
        $implement!(A);
        $implement!(A B);
        $implement!(A B C);
        $implement!(A B C D);
        $implement!(A B C D E);
        $implement!(A B C D E F);
        $implement!(A B C D E F G);
        $implement!(A B C D E F G H);
    };
}

pub(super) use for_tuples;
