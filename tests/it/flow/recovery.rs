//! Crashed processes, unavailable servers, and messages that cannot be processed.

mod crashes;
mod dead_letters;
