//! Who may log in.

/// Who may log in. The core holds no table of users.
///
/// # Time
/// An answer that comes sooner for an unknown user than for a wrong password tells an outsider who is a user
/// (CVE-2026-47783). Implementations compare against every user ([`verify_among`]) or against a stand-in when there is
/// none of the name, with [`same_bytes`].
pub trait Credentials {
    /// Whether clients have to log in at all. Without it the SASL commands are unknown and everything is allowed.
    fn required(&self) -> bool {
        true
    }

    /// Whether `user` has this `password`.
    ///
    /// Both are as they came over the wire: any bytes, the user perhaps with an `@` and a realm behind it, never empty.
    fn verify(&self, user: &[u8], password: &[u8]) -> bool;
}

impl<C: Credentials + ?Sized> Credentials for &C {
    fn required(&self) -> bool {
        (**self).required()
    }

    fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        (**self).verify(user, password)
    }
}

/// Nobody has to log in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoCredentials;

impl Credentials for NoCredentials {
    #[inline]
    fn required(&self) -> bool {
        false
    }

    fn verify(&self, _user: &[u8], _password: &[u8]) -> bool {
        false
    }
}

/// A list of users and their passwords, in that order.
///
/// ```
/// use memlet_core::engine::{Credentials, UserList};
///
/// let users = UserList(&[(b"alice", b"secret"), (b"bob", b"hidden")]);
/// assert!(users.verify(b"bob", b"hidden"));
/// assert!(!users.verify(b"bob", b"secret"));
/// ```
#[derive(Clone, Copy)]
pub struct UserList<'a>(pub &'a [(&'a [u8], &'a [u8])]);

// Passwords must not reach a log by way of a derived form.
impl core::fmt::Debug for UserList<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "UserList({} users)", self.0.len())
    }
}

impl Credentials for UserList<'_> {
    fn verify(&self, user: &[u8], password: &[u8]) -> bool {
        verify_among(self.0.iter().copied(), user, password)
    }
}

/// Whether one of `users` has this name and password. All of them are compared, whichever it is.
pub fn verify_among<'a>(
    users: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    user: &[u8],
    password: &[u8],
) -> bool {
    let mut found = false;
    for (name, secret) in users {
        let same_name = same_bytes(user, name);
        let same_password = same_bytes(password, secret);
        found |= same_name & same_password;
    }
    found
}

/// Whether two byte strings are equal, in a time that tells nothing about `expected` but perhaps its length.
///
/// The work is one step for every byte of `given`, wherever they differ.
#[must_use]
pub fn same_bytes(given: &[u8], expected: &[u8]) -> bool {
    let mut difference = given.len() ^ expected.len();
    for (at, &byte) in given.iter().enumerate() {
        let other = expected.get(at).copied().unwrap_or(0);
        difference |= usize::from(core::hint::black_box(byte ^ other));
    }
    core::hint::black_box(difference) == 0
}
