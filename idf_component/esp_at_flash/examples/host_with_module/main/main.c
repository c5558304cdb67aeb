// Sends AT commands to the module on a second UART, and shows its answers.

#include <stdio.h>
#include <string.h>

#include "driver/uart.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"

// This chip's pins; `idf.py at-info` prints the module's. TX goes to its RX, RX to its TX.
#define AT_UART UART_NUM_1
#define AT_TX_PIN 17
#define AT_RX_PIN 16
#define AT_BAUDRATE 115200
#define AT_BUFFER_SIZE 1024

static void at_command(const char *command)
{
    static char answer[AT_BUFFER_SIZE];

    uart_write_bytes(AT_UART, command, strlen(command));
    uart_write_bytes(AT_UART, "\r\n", 2);
    int length = uart_read_bytes(AT_UART, answer, sizeof(answer) - 1, pdMS_TO_TICKS(500));
    answer[length > 0 ? length : 0] = '\0';
    printf("%s -> %s\n", command, length > 0 ? answer : "no answer: compare the wiring");
}

void app_main(void)
{
    const uart_config_t config = {
        .baud_rate = AT_BAUDRATE,
        .data_bits = UART_DATA_8_BITS,
        .parity = UART_PARITY_DISABLE,
        .stop_bits = UART_STOP_BITS_1,
        .flow_ctrl = UART_HW_FLOWCTRL_DISABLE,
        .source_clk = UART_SCLK_DEFAULT,
    };

    ESP_ERROR_CHECK(uart_driver_install(AT_UART, AT_BUFFER_SIZE * 2, 0, 0, NULL, 0));
    ESP_ERROR_CHECK(uart_param_config(AT_UART, &config));
    ESP_ERROR_CHECK(uart_set_pin(AT_UART, AT_TX_PIN, AT_RX_PIN, UART_PIN_NO_CHANGE, UART_PIN_NO_CHANGE));

    while (true) {
        at_command("AT");
        at_command("AT+GMR");
        vTaskDelay(pdMS_TO_TICKS(5000));
    }
}
