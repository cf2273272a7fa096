//! The statements, one per file under `sql/`. What depends on a read model is in `table`.

pub(crate) const BEGIN: &str = "BEGIN";
pub(crate) const BEGIN_IMMEDIATE: &str = "BEGIN IMMEDIATE";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {$(
        pub(crate) const $name: &str = include_str!(concat!("sql/", $file, ".sql"));
    )*};
}

statements! {
    COUNT_TAGGED = "count_tagged";
    HEAD = "head";
    INSERT_COMMAND = "insert_command";
    INSERT_EVENT = "insert_event";
    INSERT_META = "insert_meta";
    INSERT_TAG = "insert_tag";
    READ_ALL = "read_all";
    READ_TAGGED = "read_tagged";
    READ_TYPED = "read_typed";
    SELECT_CHECKPOINT = "select_checkpoint";
    SELECT_COMMAND = "select_command";
    SELECT_META = "select_meta";
    SELECT_MODEL = "select_model";
    SELECT_STATE = "select_state";
    SELECT_STATE_POSITION = "select_state_position";
    RESOLVE_COMMIT = "resolve_commit";
    UPSERT_CHECKPOINT = "upsert_checkpoint";
    UPSERT_MODEL = "upsert_model";
    UPSERT_STATE = "upsert_state";
}
