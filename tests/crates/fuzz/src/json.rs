use std::cell::RefCell;

use cqrs_core::error::{CommandError, QueryErrorKind};
use cqrs_http::Options;

use crate::served::Served;

thread_local! {
    static SERVED: RefCell<Served> = RefCell::new(Served::new(|app| Options::new().router(app)));
}

/// A message by name, as `c NAME JSON` for a command or `q NAME JSON` for a query: it is carried out, or refused with a
/// reason. It does not fail, whatever is in the JSON, and what a command has recorded can be read.
pub fn json(input: &[u8]) {
    let mut parts = input.splitn(3, |byte| *byte == b' ');
    let (Some(kind), Some(name), Some(json)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let Ok(name) = std::str::from_utf8(name) else {
        return;
    };
    SERVED.with_borrow_mut(|served| {
        served.with(async |app| match kind {
            b"c" => match app.execute_json(name, json).await {
                Ok(receipt) => assert!(receipt.events() <= 1),
                Err(CommandError::Failed(failure)) => panic!("{failure:?}"),
                Err(error) => assert!(!error.to_string().is_empty()),
            },
            _ => match app.query_json(name, json).await {
                Ok(answer) => assert!(serde_json::to_vec(&answer).is_ok()),
                Err(error) => {
                    assert!(
                        !matches!(error.kind(), QueryErrorKind::Failed(_)),
                        "{error:?}"
                    );
                    assert!(!error.to_string().is_empty());
                }
            },
        });
    });
}
