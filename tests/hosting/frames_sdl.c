/* docs/hosting.md, "SDL": a game that draws all the time, without a post. */
#include "ticks.h"
#include <SDL.h>

static void done(void *data, guest_status_t status)
{
    SDL_Event event = {.type = SDL_QUIT};
    (void)data, (void)status;
    SDL_PushEvent(&event);
}

int main(int argc, char **argv)
{
    guest_host_t host = {.struct_size = sizeof host, .done = done};
    guest_options_t options = {.struct_size = sizeof options, .drive = GUEST_DRIVE_FD};
    guest_t *guest;
    int running = 1;
    (void)argc, (void)argv;
    if (SDL_Init(SDL_INIT_VIDEO) < 0 || guest_start(&host, &options, &guest) != GUEST_OK)
        return 1;
    start_ticks(guest);
    while (running) {
        SDL_Event event;
        guest_deliver_batch(guest, 0);
        while (SDL_PollEvent(&event))
            running &= event.type != SDL_QUIT;
        SDL_Delay(1); /* draw */
    }
    guest_free(guest);
    SDL_Quit();
    return 0;
}
