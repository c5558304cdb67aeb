// The AT firmware takes the place of this program, which is never built: `idf.py at_image-flash` doesn't need it.

void app_main(void)
{
}
