//! CPU kernels that burn's flex backend lacks.
