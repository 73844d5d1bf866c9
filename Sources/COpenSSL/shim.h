/* The system's libcrypto: so far only SHA-256, which names the store's files. */
#include <openssl/sha.h>
