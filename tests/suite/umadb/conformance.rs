use cqrs_umadb::UmaDb;

use crate::support::umadb::Log;

cqrs_conformance::log_conformance_tests!({
    match Log::fresh("conformance", UmaDb::options()) {
        Some(log) => log,
        None => return,
    }
});
