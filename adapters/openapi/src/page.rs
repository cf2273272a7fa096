//! The page that shows the document in a browser: Swagger UI, with all that it needs.

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub struct PageFile {
    /// Its path beside that of the page, or nothing for the page itself.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub content: &'static [u8],
    /// Whether the content is compressed with gzip.
    pub is_gzip: bool,
}

/// The files of a page at `docs`, beside `openapi.json`. They ask nothing of other servers.
pub const PAGE: [PageFile; 5] = [
    PageFile {
        path: "docs",
        media_type: "text/html; charset=utf-8",
        content: include_bytes!("page/page.html"),
        is_gzip: false,
    },
    PageFile {
        path: "docs/page.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("page/page.css"),
        is_gzip: false,
    },
    PageFile {
        path: "docs/start.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("page/start.js"),
        is_gzip: false,
    },
    PageFile {
        path: "docs/viewer.js",
        media_type: "text/javascript; charset=utf-8",
        content: include_bytes!("../viewer/swagger-ui-bundle.js.gz"),
        is_gzip: true,
    },
    PageFile {
        path: "docs/viewer.css",
        media_type: "text/css; charset=utf-8",
        content: include_bytes!("../viewer/swagger-ui.css.gz"),
        is_gzip: true,
    },
];

/// What the page may do: nothing beyond its own server. Swagger UI has styles in attributes, and icons in `data:`.
pub const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                               img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; \
                               form-action 'none'; frame-ancestors 'self'";
