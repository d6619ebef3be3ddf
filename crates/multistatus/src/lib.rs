#![doc = include_str!("../README.md")]
//!
//! # With axum
//!
//! With the feature `axum`, a handler takes a [`Format`] (from the `Accept` header) and returns
//! a `Negotiated`; or it returns a [`MultiStatus`], which is XML.
//!
#![cfg_attr(feature = "axum", doc = "```")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, routing::post};
//! use http::StatusCode;
//! use multistatus::batch::{Item, Mode};
//! use multistatus::{Format, MultiStatus, Response, axum::Negotiated};
//!
//! async fn bulk(format: Format) -> Negotiated {
//!     let done = Item::new(0, "put", "/notes/1", StatusCode::CREATED);
//!     let failed = Item::new(1, "delete", "/notes/2", StatusCode::NOT_FOUND);
//!     let responses = [
//!         Response::item("/notes/1", done),
//!         Response::item("/notes/2", failed).with_description("there is no such note"),
//!     ];
//!     Negotiated(format, MultiStatus::batch(Mode::BestEffort, responses))
//! }
//!
//! let app: Router = Router::new().route("/bulk", post(bulk));
//! ```
//!
//! # Where to look
//!
//! - [`MultiStatus`], [`Response`], [`PropStat`], [`Property`]: the model.
//! - [`Writer`], [`Reader`], [`JsonWriter`], [`LineReader`]: for bodies that are not to be held in
//!   memory.
//! - [`batch`]: how the items of a batch went.
//! - [`xml`]: the XML reader below it, and [`xml::Element`], a property value kept whole.

#[cfg(feature = "axum")]
pub mod axum;
pub mod batch;
mod format;
mod json;
mod lines;
mod model;
mod reader;
mod status;
mod writer;
pub mod xml;

pub use self::format::Format;
pub use self::json::{JSON_CONTENT_TYPE, JsonWriter, Layout, NDJSON_CONTENT_TYPE};
pub use self::lines::{BrokenOff, Ending, LineError, LineReader};
pub use self::model::{MultiStatus, PropStat, Property, Report, Response, Trailer, Value};
pub use self::reader::Reader;
pub use self::writer::{
    CONTENT_TYPE, InvalidResponse, PreparedProperty, Properties, PropertyResponse, WriteError,
    Writer,
};
