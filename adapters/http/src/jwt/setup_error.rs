/// The reason that keys or roles cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// A file does not have what it should.
    #[error("`{path}` is not valid: {reason}")]
    Invalid {
        /// The file, or what else was read.
        path: String,
        /// Description of the problem.
        reason: String,
    },
    /// A key set cannot be fetched from its address.
    #[error("cannot fetch `{address}`: {reason}")]
    Unreachable {
        /// The address.
        address: String,
        /// Description of the problem.
        reason: String,
    },
    /// A secret of HS256 is too short: whoever has one token could find it by trying.
    #[error("the secret has {bytes} bytes: one of HS256 has at least {min}")]
    WeakSecret {
        /// Its length.
        bytes: usize,
        /// The minimum length.
        min: usize,
    },
    /// The cryptography that tokens need is not chosen: the program has several features of `jsonwebtoken`, and must
    /// call `CryptoProvider::install_default` first.
    #[error(
        "`jsonwebtoken` has several providers of cryptography: choose one with `CryptoProvider::install_default`"
    )]
    NoCryptography,
}
