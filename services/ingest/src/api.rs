//! The two public APIs. Their request rules and response shapes are known only here.
//!
//! | module | content |
//! | --- | --- |
//! | [`routes`] | the paths |
//! | [`state`], [`slots`] | what handlers share; limits on uploads at the same time |
//! | [`accept`] | from a received upload to an accepted job |
//! | [`responses`] | responses that both APIs have |
//! | [`spigit`], [`collaborator`] | the handlers of each API |

mod accept;
mod collaborator;
mod responses;
pub(crate) mod routes;
pub(crate) mod slots;
mod spigit;
mod state;
