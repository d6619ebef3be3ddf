//! `Users`: an htpasswd file, and Basic authentication against it (RFC 7617).
//!
//! Every method asks for credentials, OPTIONS too. Windows and macOS begin with OPTIONS and answer
//! its 401 with the user's name like any other; Apache's `Require valid-user` has always done so.
//!
//! A password hash is slow on purpose, and a client sends its password with every request. So the
//! password that was found right is kept for each user, as a MAC under a key that only this process
//! knows, and compared in constant time. What isn't known that way is verified on a thread that may
//! block, a few at a time. A name that isn't there costs as much as one that is.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, Params};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bcrypt::HashParts;
use blake2::Blake2sMac256;
use blake2::digest::{CtOutput, KeyInit, Mac};
use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use polydav_store::Principal;
use tokio::sync::Semaphore;

use crate::refusal::Refusal;

/// How many passwords are verified at a time. The rest wait their turn.
const VERIFICATIONS_MAX: usize = 4;
/// Ten seconds or so of work.
const BCRYPT_COST_MAX: u32 = 16;
const ARGON2_KIB_MAX: u32 = 1 << 20;
const ARGON2_PASSES_MAX: u32 = 64;

/// Who may come in.
#[derive(Debug, Clone)]
pub struct Users(Arc<Inner>);

struct Inner {
    accounts: Vec<Account>,
    by_name: HashMap<Arc<str>, usize>,
    key: [u8; 32],
    /// Picks the account that is verified in place of one that isn't there.
    decoys: RandomState,
    verifications: Arc<Semaphore>,
}

struct Account {
    name: Arc<str>,
    hash: Hash,
    /// The password that was found right.
    verified: OnceLock<CtOutput<Blake2sMac256>>,
}

enum Hash {
    Bcrypt(String),
    Argon2(Box<PasswordHash>),
}

/// Why a file can't be used as an htpasswd file.
#[derive(Debug, thiserror::Error)]
pub enum InvalidUsers {
    /// A line can't be read.
    #[error("line {line}: {reason}")]
    Line {
        /// Which, from 1.
        line: usize,
        /// Why.
        reason: &'static str,
    },
    /// Nobody is in it.
    #[error("it names nobody")]
    Empty,
    /// The system has no randomness to give.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Users").field("accounts", &self.accounts.len()).finish_non_exhaustive()
    }
}

impl std::str::FromStr for Users {
    type Err = InvalidUsers;

    /// Reads lines of the form `name:hash`, as `htpasswd -B` and `argon2` write them. Empty lines
    /// and those that begin with `#` are skipped.
    fn from_str(text: &str) -> Result<Self, InvalidUsers> {
        let mut accounts = Vec::new();
        let mut by_name = HashMap::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrap = |reason| InvalidUsers::Line { line: at + 1, reason };
            let (name, hash) = line.split_once(':').ok_or_else(|| wrap("there is no colon"))?;
            if name.is_empty() || name.contains(char::is_control) {
                return Err(wrap("this is no name of a user"));
            }
            let name: Arc<str> = name.into();
            if by_name.insert(Arc::clone(&name), accounts.len()).is_some() {
                return Err(wrap("the user stands on an earlier line too"));
            }
            let hash = Hash::parse(hash).map_err(wrap)?;
            accounts.push(Account { name, hash, verified: OnceLock::new() });
        }
        if accounts.is_empty() {
            return Err(InvalidUsers::Empty);
        }
        let mut key = [0; 32];
        getrandom::fill(&mut key).map_err(InvalidUsers::Random)?;
        let verifications = Arc::new(Semaphore::new(VERIFICATIONS_MAX));
        let decoys = RandomState::new();
        Ok(Self(Arc::new(Inner { accounts, by_name, key, decoys, verifications })))
    }
}

impl Users {
    /// Who sent the request.
    pub(crate) async fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Refusal> {
        let credentials = Credentials::read(headers)
            .ok_or_else(|| unauthorized("this server asks for a name and a password"))?;
        let account = self.verify(credentials).await;
        account.ok_or_else(|| unauthorized("the name or the password is wrong"))
    }

    async fn verify(&self, credentials: Credentials) -> Option<Principal> {
        let inner = &self.0;
        let known = inner.by_name.get(&*credentials.name).copied();
        let mac = inner.mac(&credentials);
        let decoy = || inner.decoys.hash_one(&*credentials.name) as usize % inner.accounts.len();
        let at = known.unwrap_or_else(decoy);
        let account = &inner.accounts[at];
        let is_verified = account.verified.get().is_some_and(|verified| *verified == mac);
        let is_right = is_verified || self.verify_slowly(at, credentials.password).await;
        if known.is_none() || !is_right {
            return None;
        }
        // If it is set already, two requests came at the same time.
        let _ = account.verified.set(mac);
        Some(Principal::Named(Arc::clone(&account.name)))
    }

    async fn verify_slowly(&self, at: usize, password: Vec<u8>) -> bool {
        let verifications = Arc::clone(&self.0.verifications);
        let Ok(permit) = verifications.acquire_owned().await else { return false };
        let inner = Arc::clone(&self.0);
        // The permit goes along: who hangs up doesn't free a place that is still taken.
        let verification = tokio::task::spawn_blocking(move || {
            let is_right = inner.accounts[at].hash.verify(&password);
            drop(permit);
            is_right
        });
        verification.await.unwrap_or(false)
    }
}

impl Inner {
    fn mac(&self, credentials: &Credentials) -> CtOutput<Blake2sMac256> {
        let mut mac = Blake2sMac256::new(&self.key.into());
        mac.update(&(credentials.name.len() as u64).to_le_bytes());
        mac.update(credentials.name.as_bytes());
        mac.update(&credentials.password);
        mac.finalize()
    }
}

impl Hash {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with("$argon2id$") {
            return Self::parse_argon2(text);
        }
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err("this is neither a bcrypt ($2y$) nor an argon2id ($argon2id$) hash");
        }
        let parts: HashParts = text.parse().map_err(|_| "the bcrypt hash is malformed")?;
        if !(4..=BCRYPT_COST_MAX).contains(&parts.get_cost()) {
            return Err("the cost of the bcrypt hash is not between 4 and 16");
        }
        Ok(Self::Bcrypt(text.to_owned()))
    }

    fn parse_argon2(text: &str) -> Result<Self, &'static str> {
        const MALFORMED: &str = "the argon2id hash is malformed";
        let hash = PasswordHash::new(text).map_err(|_| MALFORMED)?;
        let params = Params::try_from(&hash).map_err(|_| MALFORMED)?;
        if hash.salt.is_none() || hash.hash.is_none() {
            return Err(MALFORMED);
        }
        if params.m_cost() > ARGON2_KIB_MAX || params.t_cost() > ARGON2_PASSES_MAX {
            return Err("the argon2id hash asks for more than 1 GiB or 64 passes");
        }
        Ok(Self::Argon2(Box::new(hash)))
    }

    fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Bcrypt(hash) => bcrypt::verify(password, hash).unwrap_or(false),
            Self::Argon2(hash) => Argon2::default().verify_password(password, &**hash).is_ok(),
        }
    }
}

/// What the Authorization field says (RFC 7617 §2).
struct Credentials {
    name: String,
    password: Vec<u8>,
}

impl Credentials {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Basic") {
            return None;
        }
        let mut name = BASE64_STANDARD.decode(token.trim()).ok()?;
        let colon = name.iter().position(|&byte| byte == b':')?;
        let password = name.split_off(colon + 1);
        name.truncate(colon);
        Some(Self { name: String::from_utf8(name).ok()?, password })
    }
}

fn unauthorized(detail: &'static str) -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, detail)
        .with_header(WWW_AUTHENTICATE, r#"Basic realm="polydav", charset="UTF-8""#)
}
