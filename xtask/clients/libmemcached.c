/* Reads many items with libmemcached, and nothing else: libmemcached HOST PORT binary|ascii COUNT. The keys are those of
   `memlet-clients ADDRESS fill`. */
#include <libmemcached/memcached.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 1000, VALUE_LEN = 100 };

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    memcached_st *client = memcached_create(NULL);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_BINARY_PROTOCOL, strcmp(argv[3], "binary") == 0);
    memcached_behavior_set(client, MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
    memcached_server_add(client, argv[1], (in_port_t)atoi(argv[2]));
    char keys[KEYS][32];
    for (int n = 0; n < KEYS; n++)
        snprintf(keys[n], sizeof keys[n], "key-%014d", n);
    long count = atol(argv[4]);
    size_t bytes = 0;
    for (long n = 0; n < count; n++) {
        const char *key = keys[n % KEYS];
        size_t length;
        uint32_t flags;
        memcached_return_t outcome;
        char *value = memcached_get(client, key, strlen(key), &length, &flags, &outcome);
        if (outcome != MEMCACHED_SUCCESS) {
            fprintf(stderr, "%s\n", memcached_strerror(client, outcome));
            return 1;
        }
        bytes += length;
        free(value);
    }
    memcached_free(client);
    return bytes == (size_t)count * VALUE_LEN ? 0 : 1;
}
