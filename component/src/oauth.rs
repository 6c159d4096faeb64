//! The authorization server and the bearer check.
//!
//! What is decided about clients, authorizations, codes, tokens and grants, as plain functions on plain data. It knows
//! neither HTTP nor how a user was identified: the gateway hands it forms, loaded records and a verified e-mail
//! address. Only [`clients`], [`transaction`], [`code`], [`refresh`], [`bearer`] and [`revoke`] touch the store,
//! through a [`vault`].
//!
//! In reading order: [`secret`], [`keyring`], [`token`], [`record`] and [`vault`] say how anything is kept; [`form`],
//! [`redirect_uri`], [`pkce`], [`scope`], [`resource`] and [`error`] are the vocabulary; [`client`], [`registration`]
//! and [`client_metadata`] say who may ask, [`clients`] keeps those who registered; [`authorize`] is the list of checks
//! before a user is asked, [`transaction`] leads from there to a code; [`grant`], [`code`], [`refresh`], [`bearer`] and
//! [`revoke`] are the life of an authorization, [`grants`] is the operator's list.

pub mod authorize;
pub mod bearer;
pub mod client;
pub mod client_metadata;
pub mod clients;
pub mod code;
pub mod error;
pub mod form;
pub mod grant;
pub mod grants;
mod json_object;
pub mod keyring;
pub mod pkce;
pub mod record;
pub mod redirect_uri;
pub mod refresh;
pub mod registration;
pub mod resource;
pub mod revoke;
pub mod scope;
pub mod secret;
pub mod token;
pub mod transaction;
pub mod vault;

#[cfg(test)]
mod tests;
