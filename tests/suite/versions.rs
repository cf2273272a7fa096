//! Versions of projections: they are built beside each other, and queries are answered from the live one
//! until the program's own is complete. What a store has to do with it is in the conformance suite.

mod again;
mod answers;
mod at_size;
mod changes;
mod in_use;
mod jobs;
mod operations;
mod parked;
mod programs;
mod stopped;
