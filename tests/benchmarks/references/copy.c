/* How fast memory is read and written at once: the C library's own copy. */

#include <string.h>

void copy(void *restrict to, const void *restrict from, size_t bytes) { memcpy(to, from, bytes); }
