//! The one place where calls are authenticated: a layer before every method, known or not.
//!
//! Whatever reaches the methods behind it carries a [`SignedIn`] among its extensions; a method that
//! does not exist yet cannot be reached without one.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use cordon_disclosure::{Code, Refusal};
use futures::future::{Either, Ready, ready};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use tonic::body::Body;
use tower::{Layer, Service};

use crate::identity::{Identity, SignedIn, TokenFault};
use crate::status;

/// ADBC sends Basic credentials without padding, pyarrow with it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The token of a call, for the handshake to hand back as Bearer. Not printable.
#[derive(Clone)]
pub(crate) struct PresentedToken(pub(crate) String);

/// Authenticates every call.
#[derive(Clone)]
pub(crate) struct SignIn {
    identity: Arc<Identity>,
}

/// A service behind [`SignIn`].
#[derive(Clone)]
pub(crate) struct SignedInOnly<S> {
    inner: S,
    identity: Arc<Identity>,
}

impl SignIn {
    pub(crate) fn new(identity: Arc<Identity>) -> Self {
        Self { identity }
    }
}

impl<S> Layer<S> for SignIn {
    type Service = SignedInOnly<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SignedInOnly { inner, identity: Arc::clone(&self.identity) }
    }
}

impl<S, B> Service<Request<B>> for SignedInOnly<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<Body>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match signed_in(&self.identity, request.headers()) {
            Ok((signed_in, token)) => {
                // What nobody behind this place needs, nobody behind it can write to a log.
                request.headers_mut().remove(AUTHORIZATION);
                request.extensions_mut().insert(signed_in);
                request.extensions_mut().insert(PresentedToken(token));
                Either::Left(self.inner.call(request))
            }
            Err(fault) => {
                tracing::info!(%fault, "sign-in refused");
                let refused = status::refused(&told(fault), None);
                Either::Right(ready(Ok(refused.into_http())))
            }
        }
    }
}

fn signed_in(identity: &Identity, headers: &HeaderMap) -> Result<(SignedIn, String), TokenFault> {
    let token = credentials(headers)?;
    // A clock before 1970 makes every token one of the future.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    Ok((identity.verify(&token, now_s)?, token))
}

/// The token of a call: Bearer, or Basic with the token as password of any user name (as the user name
/// itself, when the password is empty).
fn credentials(headers: &HeaderMap) -> Result<String, TokenFault> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    // Two would be two people.
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(TokenFault::Missing);
    };
    let value = value.to_str().map_err(|_| TokenFault::Missing)?;
    let (scheme, rest) = value.split_once(' ').ok_or(TokenFault::Missing)?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(rest.to_owned())
    } else if scheme.eq_ignore_ascii_case("basic") {
        let pair = BASE64.decode(rest).map_err(|_| TokenFault::Missing)?;
        let pair = String::from_utf8(pair).map_err(|_| TokenFault::Missing)?;
        // The first colon divides: a user name holds none (RFC 7617), a password can.
        match pair.split_once(':') {
            Some((user, "")) => Ok(user.to_owned()),
            Some((_, token)) => Ok(token.to_owned()),
            None => Err(TokenFault::Missing),
        }
    } else {
        Err(TokenFault::Missing)
    }
}

/// One text for all faults but expiry: which check failed helps nobody but an attacker.
fn told(fault: TokenFault) -> Refusal {
    match fault {
        TokenFault::Expired => Refusal::new(Code::TokenExpired, "the access token has expired"),
        TokenFault::Missing => {
            Refusal::new(Code::NotSignedIn, "no access token came with the call")
        }
        _ => Refusal::new(Code::NotSignedIn, "the access token is not valid"),
    }
}
